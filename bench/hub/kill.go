package main

import (
	"context"
	"io"
)

const childArgument = "child"

func child(context.Context, []string, io.Writer, io.Writer) int { return 0 }
