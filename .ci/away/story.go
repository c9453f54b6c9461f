package main

import (
	"context"
	"errors"
)

func story(ctx context.Context, w *world) (string, error)   { return "", errors.New("not yet") }
func browser(ctx context.Context, w *world) (string, error) { return "", errors.New("not yet") }
