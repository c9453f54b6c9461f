package main

import (
	"context"
	"net/http"

	"portillon/hub/apiclient"
)

// machineAdd runs «machine add», which adds a machine to the hub. After that, a person enrols the machine with a
// one-time code.
func machineAdd(ctx context.Context, w stdio, args []string) error {
	var x remote
	rest, err := parseFlags(w, "machine add", args, 1, x.declare)
	if err != nil {
		return err
	}
	q := apiclient.Request{Method: http.MethodPost, Path: "/machines", JSON: map[string]string{"id": rest[0]}}
	return x.ask(ctx, w, q, x.printerOf(w, "%s ajoutée ; ensuite : portillon machine code %[1]s --hub …",
		"%s added; next: portillon machine code %[1]s --hub …", rest[0]))
}
