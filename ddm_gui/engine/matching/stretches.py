"""The stretches of the search by rounds: phases are turned from each start, and what they lead to is measured.

From the own start and from kernels that the power spectra allow (see `retrieval`), then on from the best. Turning needs
no auxiliary network (see `phase`). Before and after each stretch the edges of whole photos refine the kernel (see
`derivatives`): where one way stands still the other one goes on. Then an auxiliary network measures the IKL (see
`trial`).

Left alone the phases drift off the best place, by what sets the two sets of photos apart: Levin's second kernel went
from NCC .91 to .78 in 600 updates. The IKL sees it: over ten candidates for that kernel it fell in the order of NCC
(correlation -.87). The likelihood of the simulated patches, which is cheaper, takes zero phase for better than the
truth.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ddm_gui.engine.events import Stage
from ddm_gui.engine.flow.train import FlowModel
from ddm_gui.engine.matching.common_kernel import CommonKernel
from ddm_gui.engine.matching.derivatives import DerivativeFit
from ddm_gui.engine.matching.found import LARGEST_SURPRISE, FoundKernels
from ddm_gui.engine.matching.phase import PhaseDescent, all_pass_gradient, taps_width
from ddm_gui.engine.matching.plan import Plan
from ddm_gui.engine.matching.retrieval import retrieve, spectral_magnitude, turned_about
from ddm_gui.engine.matching.search import DRAW_KERNELS
from ddm_gui.engine.matching.simulation import Simulation
from ddm_gui.engine.matching.trial import Trial
from ddm_gui.engine.photos.patches import PatchPool
from ddm_gui.engine.training import diverged, draws, under_prefix, with_prefix

GAIN_STEPS = 5  # of a kernel's contrast
ROUGHLY_KNOWN = 0.4  # rad: how far the phases of a candidate may be from the truth
DRAW_RETRIEVAL = 5  # which random stream


class Stretches:
    """The updates before the rounds, as `plan` has them. One kernel turns, that of luminance, since luminance is what
    the networks see."""

    def __init__(
        self,
        flow: FlowModel,
        clean: PatchPool,
        simulation: Simulation,
        common: CommonKernel,
        phase: PhaseDescent,
        spectral: Tensor,
        edges: DerivativeFit,
        trial: Trial,
        plan: Plan,
        seed: int,
    ) -> None:
        """`common`: the own start, and then the kernel of the moment. `spectral`: the zero-phase kernel of the power
        spectra, k x k, whichever the start is."""
        self.flow, self.clean, self.simulation, self.common = flow, clean, simulation, common
        self.phase, self.spectral, self.edges, self.trial = phase, spectral, edges, trial
        self.plan, self.seed = plan, seed
        self.model, device = common.model, common.model.device
        self.gains = self._gains()  # those of the starts
        self.start_from(common.pixels)
        self.begun = self.own  # what a stretch began with
        self.begun_surprise = torch.tensor(LARGEST_SURPRISE, device=device)
        self.found = FoundKernels(plan.stretches + 1, self.own.shape[-1], device)  # the own start, then each stretch
        self.candidate: tuple[int, Tensor] | None = None
        self.best = self._state()  # after the best stretch

    def start_from(self, kernel: Tensor) -> None:
        """Takes a kernel k x k for the own start."""
        self.common.pixels = self.own = kernel
        self.mean = kernel  # of the kernel over the second half of a stretch

    def step(self, update: int) -> None:
        """Update number `update`, of those before the rounds."""
        if update == 0:
            self._fit_gain()
            self.gains = self._gains()
            self.best = self._state()
        stretch, in_stretch = self.plan.place(update)
        if in_stretch == 0:
            self._begin_stretch(stretch)
        if in_stretch < self.plan.turns:
            self._step_of_turning(stretch, in_stretch)
        else:
            self._step_of_trial(stretch, in_stretch - self.plan.turns)

    def _step_of_turning(self, stretch: int, turn: int) -> None:
        """The phases turn; of the kernels of the second half the mean is kept."""
        self._turn_phases(draws(self.seed, DRAW_KERNELS, stretch * self.plan.turns + turn))
        averaged = turn - self.plan.turns // 2
        if averaged >= 0:
            self.mean = self.mean.lerp(self.common.pixels, 1 / (averaged + 1))

    def _step_of_trial(self, stretch: int, update: int) -> None:
        """Update number `update` of the measurement of a stretch's mean kernel, or of the own start."""
        if update == 0:
            if stretch > 0:
                self.mean, self.found.surprises[stretch] = self._refined_mean()
            self.common.set(self.mean)
            self._fit_gain()
        self.trial.measure(self.found, stretch, update)
        if update == self.plan.trial_length - 1:
            if not bool(self.found.ikls[stretch].isfinite()):
                raise diverged(Stage.KERNELS)
            self.found.kernels[stretch] = self.mean
            if self.found.best() == stretch:
                self.best = self._state()
            self._resume({**self.best, "kernel": self.found.blend()})

    def _refined_mean(self) -> tuple[Tensor, float]:
        """What a stretch ends with, refined, or what it began with where that is less surprising; and how surprising it
        is.

        Without noise phase retrieval may be nearly right (Levin's second kernel: NCC .962, refined .971), and what step
        1's network makes of it is worse (.65).
        """
        kernel, surprise = self.edges.refined(self.mean)
        if surprise > float(self.begun_surprise):
            return self.begun, float(self.begun_surprise)
        return kernel, surprise

    def _begin_stretch(self, stretch: int) -> None:
        """Sets kernel, gain and phases: the own start, then the spectral one with the phases of candidates; later
        stretches go on from what is there."""
        self.begun_surprise = torch.full_like(self.begun_surprise, LARGEST_SURPRISE)
        if stretch > self.plan.starts:
            return
        kernel, gains, state = self.own, self.gains, self.phase.beginning()
        if stretch > 1:
            index, about = divmod(stretch - 2, 2)
            found = self._retrieved(index)
            kernel, gains = self.phase.with_phases_of(self.spectral, gains, turned_about(found) if about else found)
            kernel, surprise = self.edges.refined(kernel)
            self.begun, self.begun_surprise = kernel, torch.full_like(self.begun_surprise, surprise)
            state = self.phase.beginning(ROUGHLY_KNOWN)
        self._resume({"kernel": kernel, "gains": gains, **state})

    def _retrieved(self, index: int) -> Tensor:
        """Candidate number `index`, k x k; the last one is kept, since it serves twice."""
        if self.candidate is None or self.candidate[0] != index:
            generator = draws(self.seed, DRAW_RETRIEVAL, index)
            magnitude = spectral_magnitude(self.phase.match, self.spectral, self.gains)
            found = retrieve(magnitude, self.phase.match.visible, self.own.shape[-1], generator)
            self.candidate = (index, found)
        return self.candidate[1]

    def _turn_phases(self, generator: torch.Generator) -> None:
        """One step of the phases, and of magnitudes and gain by the power spectra."""
        model, taps = self.model, taps_width(self.own.shape[-1])
        kernels, noise = model.with_gain().detach(), model.noise()
        whitened, _ = self.simulation.whitened(self.clean, kernels, noise, generator, taps - 1)
        gradient = all_pass_gradient(self.flow.velocity, whitened, taps, generator)
        with torch.no_grad():
            kernel, gain = self.phase.move(self.common.pixels, model.with_gain(), gradient)
            model.log_gain.add_(gain)
        self.common.set(kernel)

    def _fit_gain(self) -> None:
        """The contrast with which a kernel explains the power of the degraded photos best, all its shape kept.

        A wrong contrast is a wrong amount of noise: with it the IKL of a Gaussian's spectral start was .0006, without
        it .0004 (turned kernels, as good by NCC but with magnitudes fitted to these photos: .0001).
        """
        with torch.no_grad():
            for _ in range(GAIN_STEPS):
                _, gain = self.phase.match.correction(self.model.with_gain())
                self.model.log_gain.add_(gain)

    def _gains(self) -> Tensor:
        return self.model.log_gain.detach().exp()

    def _state(self) -> dict[str, Tensor]:
        """All that turning the phases goes on from."""
        return {"kernel": self.common.pixels, "gains": self._gains(), **self.phase.tensors()}

    def _resume(self, state: Mapping[str, Tensor]) -> None:
        """Puts back what `_state` gave."""
        self.common.set(state["kernel"])
        with torch.no_grad():
            self.model.log_gain.copy_(state["gains"].log())
        self.phase.load(state)

    def tensors(self) -> dict[str, Tensor]:
        """The state, without that of the common kernel."""
        return {
            **self.found.tensors(),
            **with_prefix("phase", self.phase.tensors()),
            **with_prefix("best", self.best),
            "own": self.own,
            "gains": self.gains,
            "mean": self.mean,
            "begun": self.begun,
            "begun surprise": self.begun_surprise,
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Puts back what `tensors` gave."""
        device = self.model.device
        self.found.load(tensors)
        self.phase.load(under_prefix("phase", tensors))
        self.best = {name: value.to(device) for name, value in under_prefix("best", tensors).items()}
        self.own, self.gains, self.mean = (tensors[name].to(device) for name in ("own", "gains", "mean"))
        self.begun, self.begun_surprise = tensors["begun"].to(device), tensors["begun surprise"].to(device)
