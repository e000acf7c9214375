"""Photos whose blur is known: kinds of blur, made pictures, sets, the demo."""
