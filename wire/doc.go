// Package wire is what travels between a machine and its hub: records and their checkpoints, the bundle,
// acknowledgements, commands, and the names of the topics that carry them.
//
// Whatever is signed is a signed note (golang.org/x/mod/sumdb/note): a text, an empty line, and signature lines that
// name their key. Keys are notes' own: «PRIVATE+KEY+name+hash+…» and «name+hash+…», Ed25519.
//
// All of it is hostile until opened: each Open function bounds its input, checks the signature before it reads the
// text, refuses critical fields that it does not know, and never panics.
//
// # How formats change
//
// The hub is upgraded first. It works with machines that are one release older, and machines work with a hub that is
// one release newer. These rules keep that true:
//
//   - A reader skips fields that it does not know. A field keeps its name, its type and its meaning for ever.
//   - A field whose absence would allow more than its presence is critical: the object that holds it lists its name in
//     its field "critical", as JOSE's "crit" does (RFC 7515 §4.1.11). A reader that does not know a listed name
//     refuses the object and names the field (UnknownField).
//   - "critical" counts in a manifest, a chunk's outermost object, a member, an acknowledgement, a command and a
//     batch. A member with an unknown critical field is denied, and the rest of the bundle is used. Objects inside the
//     others have no "critical" of their own: the object around them names what is needed to read them.
//   - In a state nothing is critical, because a state is only a hint. In a record nothing is critical either: a hub
//     keeps every record that a machine signed, of whatever kind and with whatever fields, and shows the bytes as they
//     came.
//   - A new field is written only where it is used, so that older readers, which may be stricter, never meet it on a
//     site that does not use it.
//   - Readers up to this release refuse a manifest with a chunk of a name that they do not know. A new chunk may
//     appear only on a site whose policy.yaml they refuse anyway (bindings), so that nothing is taken for less than it
//     says.
//   - The order of credentials in a badges chunk is that in which the roster chunk of the bucket names them. Readers
//     up to the release before this one do not depend on it; a machine that is given another order fetches the chunk
//     whole.
//   - What is hashed or signed as canonical JSON (RFC 8785) is compared as bytes, and never written anew from a
//     struct.
//   - A machine's journal that begins anew has another generation. The generation stands in the checkpoint's origin,
//     in batches, acknowledgements and states. Journals from before generations have the empty one, and write none.
//   - A value that may be followed by others (a kind of record, a code) is an open list: a reader shows what it does
//     not know.
package wire
