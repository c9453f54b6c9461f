package main

import (
	"context"
	"errors"
)

func demoVerb(ctx context.Context, w stdio, args []string) error { return errors.New("not yet") }
