// Package ld converts JSON-LD credentials to the statements that are signed, without network access.
//
// The package supports the part of JSON-LD 1.1 that Open Badges needs. It rejects everything else: unknown contexts
// (contextgen compiles the known contexts), undefined terms, embedded contexts, relative ids and types. For supported
// documents the package creates the same statements as a general JSON-LD processor. The package then converts the
// statements to the canonical form of RDFC-1.0, within a limit of work.
package ld

//go:generate sh generate.sh
