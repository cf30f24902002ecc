"""Settings every test shares."""

import signal

from hypothesis import settings

# No deadline: the first example of a kind pays for decoding, compiling and signal handlers, the others do not.
settings.register_profile("pagetrap", deadline=None, print_blob=True)
settings.load_profile("pagetrap")

# Under nohup, or as a shell's background job, these are ignored, and so they would be in every program a test starts.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)
