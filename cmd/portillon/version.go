package main

import "portillon/cmd/internal/daemoncmd"

// version is the version of this build. The three programs are built together and have the same version.
func version() string { return daemoncmd.Version }
