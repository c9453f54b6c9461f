// Command portillon-hub is the central server of a site: it stores the machines' records, and distributes the bundle
// of members and rules to the machines.
//
//	portillon-hub -config hub.yaml          run the hub
//	portillon-hub -config hub.yaml -check   report the faults of the file, and exit
package main

import (
	"os"

	"portillon/cmd/internal/hubd"
)

func main() { os.Exit(hubd.Main(os.Args[1:])) }
