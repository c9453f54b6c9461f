// Package wire defines the messages between a machine and its hub: records and their checkpoints, the bundle,
// acknowledgements and commands, and the topics of these messages.
//
// Signed data is a signed note (golang.org/x/mod/sumdb/note): a text, an empty line, and signature lines that name
// their key. Keys have the notes' format: «PRIVATE+KEY+name+hash+…» and «name+hash+…», Ed25519.
//
// No input is trusted before it is opened. Each Open function limits the size of its input, checks the signature before
// it reads the text, refuses critical fields that it does not know, and never panics.
//
// # How formats change
//
// The hub is upgraded first. A hub works with machines that are one release older. A machine works with a hub that is
// one release newer. These rules ensure both:
//
//   - A reader skips fields that it does not know. A field never changes its name, its type or its meaning.
//   - A field whose absence would allow more than its presence is critical: its object lists the field's name in the
//     field "critical", as JOSE's "crit" does (RFC 7515 §4.1.11). A reader that does not know a listed name refuses the
//     object and names the field (UnknownField).
//   - "critical" counts in a manifest, a chunk's outermost object, a member, an acknowledgement, a command and a batch.
//     A member with an unknown critical field is denied, and the rest of the bundle is used. Other nested objects have
//     no "critical": the enclosing object lists the fields that are needed to read them.
//   - A state has no critical fields, because a state is only a hint. A record has none either: a hub keeps every
//     record that a machine signed, with any kind and any fields, and shows the received bytes.
//   - A new field is written only where it is used. Older readers, which may be stricter, then never receive the field
//     on a site that does not use it.
//   - Readers up to this release refuse a manifest that lists a chunk with an unknown name. A new chunk may appear only
//     on a site whose policy.yaml those readers refuse anyway (bindings). No reader then ignores a restriction.
//   - The credentials of a badges chunk have the order in which the roster chunk of the bucket names them. Readers up
//     to the previous release accept any order. A machine that receives another order fetches the whole chunk.
//   - Canonical JSON (RFC 8785) that is hashed or signed is compared as bytes, and never re-encoded from a struct.
//   - A machine that starts a new journal chooses a new generation. The generation is part of the checkpoint's origin,
//     of batches, acknowledgements and states. Journals from before generations have the empty generation, which is not
//     written.
//   - The values of an enumeration (record kinds, codes) may grow: a reader shows a value that it does not know.
package wire
