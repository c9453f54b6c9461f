// Package ld converts JSON-LD credentials to the statements that are signed, without network access.
//
// It supports the part of JSON-LD 1.1 that Open Badges needs, and rejects the rest: unknown contexts (contextgen
// compiles the known ones), undefined terms, embedded contexts, relative ids and types. For supported documents it
// creates the same statements as a general processor, and converts them to the canonical form of RDFC-1.0 within a
// limit of work.
package ld

//go:generate sh generate.sh
