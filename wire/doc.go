// Package wire is what travels between a machine and its hub: records and their checkpoints, the bundle,
// acknowledgements, commands, and the names of the topics that carry them.
//
// Whatever is signed is a signed note (golang.org/x/mod/sumdb/note): a text, an empty line, and signature lines that
// name their key. Keys are notes' own: «PRIVATE+KEY+name+hash+…» and «name+hash+…», Ed25519.
//
// All of it is hostile until opened: each Open function bounds its input, checks the signature before it reads the
// text, refuses fields it does not know where an unknown field could change a meaning, and never panics.
package wire
