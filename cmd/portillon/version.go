package main

import "portillon/cmd/internal/daemoncmd"

// version is what this build calls itself; the three programs are built together.
func version() string { return daemoncmd.Version }
