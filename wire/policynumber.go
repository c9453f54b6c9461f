package wire

// PolicyNumber returns the number by which people name a policy text: the first 12 hexadecimal digits of its chunk's
// hash (Hash).
func PolicyNumber(text []byte) string { return Hash(text)[:12] }
