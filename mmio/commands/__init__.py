"""The subcommands of `pagetrap`, those on one subject in one module: `add` declares them."""
