// Command portillond stands beside one machine: it reads cards, decides, records, and switches the relay.
//
//	portillond -config machine.yaml     run the daemon
//	portillond -config machine.yaml -check   say what is wrong with the file, and end
//	portillond guard …                  hold the relay's pin; the daemon starts this itself
package main

import (
	"os"

	"portillon/cmd/internal/machined"
)

func main() { os.Exit(machined.Main(os.Args[1:])) }
