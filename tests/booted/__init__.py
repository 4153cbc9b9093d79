"""`make systemd`: the units under a real systemd."""
