// Package wire defines the messages between a machine and its hub: records and their checkpoints, the bundle,
// acknowledgements and commands, and the topics of these messages.
//
// Signed data is a signed note (golang.org/x/mod/sumdb/note): a text, an empty line, and signature lines that name
// their key. Keys have the notes' format: «PRIVATE+KEY+name+hash+…» and «name+hash+…», Ed25519.
//
// Nothing in a message may be relied on before an Open function has accepted the message. Each Open function limits the
// size of its input, checks the signature before it reads the text, refuses critical fields that it does not know, and
// never panics.
//
// # How formats change
//
// The hub is upgraded first. A hub works with machines that are one release older. A machine works with a hub that is
// one release newer than the machine. The following rules make both possible:
//
//   - A reader skips fields that it does not know. A field never changes its name, its type or its meaning.
//   - A field whose absence would allow more than its presence is critical: its object lists the field's name in the
//     field "critical", as JOSE's "crit" does (RFC 7515 §4.1.11). A reader that does not know a listed name refuses the
//     object and names the field (UnknownField).
//   - "critical" has a meaning in a manifest, in a chunk's outermost object, in a member, in an acknowledgement, in a
//     command and in a batch. A member with an unknown critical field is denied, and the machine uses the rest of the
//     bundle. Other nested objects have no "critical": the enclosing object lists the fields that a reader must know
//     for them.
//   - A state has no critical fields, because nothing depends on a state alone. A record has no critical fields either:
//     a hub stores every record that a machine signed, with any kind and any fields, and shows the bytes that it
//     received.
//   - A new field is written only on a site that uses it. Thus older readers, which may be stricter, receive the field
//     only on a site that uses it.
//   - Readers up to this release refuse a manifest that lists a chunk with a name that they do not know. Therefore a
//     new chunk may appear only on a site whose policy.yaml those readers refuse anyway (bindings). Thus no reader
//     ignores a restriction that the chunk contains.
//   - The credentials in a badges chunk have the order in which the roster chunk of the same bucket names them. Readers
//     up to the previous release accept any order. A machine that receives the credentials in another order fetches the
//     whole chunk.
//   - Canonical JSON (RFC 8785) that is hashed or signed is compared as bytes, and never re-encoded from a struct.
//   - A machine that starts a new journal chooses a new generation. The generation is part of a checkpoint's origin,
//     and of batches, acknowledgements and states. Journals that are older than generations have the empty generation,
//     which messages leave out.
//   - An enumeration (record kinds, codes) may get more values: a reader shows a value that it does not know as it is.
package wire
