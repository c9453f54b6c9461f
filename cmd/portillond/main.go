// Command portillond controls the access to one machine. The daemon reads cards, evaluates the policy, writes records,
// and switches the relay.
//
//	portillond -config machine.yaml                run the daemon
//	portillond -config machine.yaml -check         report the faults of the file, and exit
//	portillond enrol https://hub.local:8443 CODE   join this machine to its site
//	portillond guard …                             drive the relay's pin; only the daemon starts this
package main

import (
	"os"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/enrol"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "enrol" {
		os.Exit(enrol.Main(os.Args[2:]))
	}
	os.Exit(daemoncmd.Main(os.Args[1:]))
}
