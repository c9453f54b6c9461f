// Command portillond stands beside one machine: it reads cards, decides, records, and switches the relay.
//
//	portillond -config machine.yaml     run the daemon
//	portillond -config machine.yaml -check   say what is wrong with the file, and end
//	portillond enrol https://hub.local:8443 CODE   bring this machine into its site
//	portillond guard …                  hold the relay's pin; the daemon starts this itself
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
