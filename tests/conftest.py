"""Settings every test shares."""

from hypothesis import settings

# No deadline: the first example of a kind pays for decoding, compiling and signal handlers, the others do not.
settings.register_profile("pagetrap", deadline=None, print_blob=True)
settings.load_profile("pagetrap")
