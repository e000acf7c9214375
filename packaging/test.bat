@echo off
rem Installs the program and what its tests need, and runs all checks.
setlocal
for %%P in ("py -3.13" "py -3.12" "py -3.11" "py -3" "python") do (
  %%~P -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>nul && set "PYTHON=%%~P" && goto found
)
echo ddm_gui needs Python 3.11 or newer, which was not found. Install Python 3.13 or 3.12, then start again.
pause
exit /b 2
:found
%PYTHON% "%~dp0launch.py" test %*
set "CODE=%ERRORLEVEL%"
if not "%CODE%"=="0" pause
exit /b %CODE%
