// Command portillon-hub is the office of a site: it keeps what the machines recorded, and hands out the bundle they
// work from.
//
//	portillon-hub -config hub.yaml          run it
//	portillon-hub -config hub.yaml -check   say what is wrong with the file, and end
package main

import (
	"os"

	"portillon/cmd/internal/hubd"
)

func main() { os.Exit(hubd.Main(os.Args[1:])) }
