package main

import "portillon/cmd/internal/machined"

// version is what this build calls itself; the three programs are built together.
func version() string { return machined.Version }
