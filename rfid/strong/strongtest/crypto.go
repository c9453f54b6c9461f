package strongtest

import (
	"crypto/aes"
	"math/big"
)

// This file contains the card's cryptography. It is written independently of package strong: with big integers
// instead of words, and with loops instead of crypto/cipher.

// cmac returns AES-CMAC (RFC 4493) with iv as the initial vector.
func cmac(key, iv [16]byte, m []byte) (out [16]byte) {
	b, _ := aes.NewCipher(key[:])
	var l [16]byte
	b.Encrypt(l[:], l[:])
	sub := double(new(big.Int).SetBytes(l[:]))
	m = append([]byte(nil), m...)
	if len(m) == 0 || len(m)%16 != 0 {
		sub = double(sub)
		for m = append(m, 0x80); len(m)%16 != 0; {
			m = append(m, 0)
		}
	}
	sub.FillBytes(l[:])
	for i := range l {
		m[len(m)-16+i] ^= l[i]
	}
	e := encryptCBC(key, iv, m)
	return [16]byte(e[len(e)-16:])
}

// double multiplies n by x in GF(2^128), for the subkeys of RFC 4493.
func double(n *big.Int) *big.Int {
	r := new(big.Int).Lsh(n, 1)
	if r.BitLen() > 128 {
		r.SetBit(r, 128, 0)
		r.Xor(r, big.NewInt(0x87))
	}
	return r
}

// encryptCBC encrypts whole blocks with AES-CBC.
func encryptCBC(key, iv [16]byte, m []byte) (out []byte) {
	b, _ := aes.NewCipher(key[:])
	for ; len(m) >= 16; m = m[16:] {
		for i := range iv {
			iv[i] ^= m[i]
		}
		b.Encrypt(iv[:], iv[:])
		out = append(out, iv[:]...)
	}
	return out
}

// decryptCBC decrypts whole blocks with AES-CBC.
func decryptCBC(key, iv [16]byte, m []byte) (out []byte) {
	b, _ := aes.NewCipher(key[:])
	for ; len(m) >= 16; m = m[16:] {
		var p [16]byte
		b.Decrypt(p[:], m[:16])
		for i := range p {
			p[i] ^= iv[i]
		}
		out, iv = append(out, p[:]...), [16]byte(m[:16])
	}
	return out
}

// crc32nxp computes the CRC bit by bit: 04C11DB7 reflected, initial value all ones, no final inversion, least
// significant byte first.
func crc32nxp(m []byte) []byte {
	r := uint32(0xFFFFFFFF)
	for _, b := range m {
		r ^= uint32(b)
		for range 8 {
			low := r & 1
			r >>= 1
			if low == 1 {
				r ^= 0xEDB88320
			}
		}
	}
	return []byte{byte(r), byte(r >> 8), byte(r >> 16), byte(r >> 24)}
}

// rotateLeft rotates b by one byte to the left.
func rotateLeft(b []byte) []byte { return append(append([]byte{}, b[1:]...), b[0]) }
