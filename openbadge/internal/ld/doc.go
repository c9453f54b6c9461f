// Package ld reads JSON-LD credentials as the statements that are signed, with nobody online.
//
// It takes what Open Badges need of JSON-LD 1.1 and refuses the rest: only the contexts that are compiled into it
// (contextgen), no word that they do not define, no context but those addresses, no relative id or type. Of what is
// left it makes the same statements as a general processor, and puts them into the canonical form of RDFC-1.0 under a
// limit of work.
package ld

//go:generate sh generate.sh
