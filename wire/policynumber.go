package wire

// PolicyNumber names a policy by its text: the first 12 hexadecimal digits of the hash of its chunk (Hash).
func PolicyNumber(text []byte) string { return Hash(text)[:12] }
