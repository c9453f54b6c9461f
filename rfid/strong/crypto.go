package strong

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"hash/crc32"
)

// block is an AES-128 key or 16 bytes of data.
type block = [aes.BlockSize]byte

// isEqual compares a and b in constant time.
func isEqual(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// aesOf returns the cipher of a key. NewCipher fails only for a wrong key length, so no error is possible.
func aesOf(key block) cipher.Block {
	c, _ := aes.NewCipher(key[:])
	return c
}

// cmac returns AES-CMAC (RFC 4493 §2.4).
func cmac(key block, message []byte) block { return cmacFrom(key, block{}, message) }

// cmacFrom returns AES-CMAC with iv as the initial vector. A DESFire EV1 uses as iv the last block that it sent or
// received.
func cmacFrom(key, iv block, message []byte) block {
	c := aesOf(key)
	var k block
	c.Encrypt(k[:], k[:])
	k = double(k)
	last := len(message)
	if last > 0 {
		last = (last - 1) / aes.BlockSize * aes.BlockSize
	}
	tail := append([]byte(nil), message[last:]...)
	if len(tail) < aes.BlockSize {
		tail, k = pad(tail), double(k)
	}
	x := iv
	for m := message[:last]; len(m) > 0; m = m[aes.BlockSize:] {
		subtle.XORBytes(x[:], x[:], m[:aes.BlockSize])
		c.Encrypt(x[:], x[:])
	}
	subtle.XORBytes(x[:], x[:], tail)
	subtle.XORBytes(x[:], x[:], k[:])
	c.Encrypt(x[:], x[:])
	return x
}

// double multiplies a block by x in GF(2^128) (RFC 4493 §2.3), in constant time.
func double(b block) block {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	carry := hi >> 63
	hi, lo = hi<<1|lo>>63, lo<<1^carry*0x87
	binary.BigEndian.PutUint64(b[:8], hi)
	binary.BigEndian.PutUint64(b[8:], lo)
	return b
}

// pad appends the byte 80 and zeros up to whole blocks (ISO 9797-1, method 2).
func pad(b []byte) []byte { return padZeros(append(b[:len(b):len(b)], 0x80)) }

// padZeros fills the last block with zeros.
func padZeros(b []byte) []byte {
	return append(b[:len(b):len(b)], make([]byte, -len(b)&(aes.BlockSize-1))...)
}

// unpad removes the padding that pad appended. ok is false if the padding is invalid.
func unpad(b []byte) ([]byte, bool) {
	for i := len(b) - 1; i >= 0 && i >= len(b)-aes.BlockSize; i-- {
		switch b[i] {
		case 0:
		case 0x80:
			return b[:i], true
		default:
			return nil, false
		}
	}
	return nil, false
}

// encryptCBC encrypts whole blocks with AES-CBC.
func encryptCBC(key, iv block, b []byte) []byte {
	out := make([]byte, len(b))
	cipher.NewCBCEncrypter(aesOf(key), iv[:]).CryptBlocks(out, b)
	return out
}

// decryptCBC decrypts whole blocks with AES-CBC.
func decryptCBC(key, iv block, b []byte) []byte {
	out := make([]byte, len(b))
	cipher.NewCBCDecrypter(aesOf(key), iv[:]).CryptBlocks(out, b)
	return out
}

// crc returns NXP's CRC32, which is the CRC32 of IEEE without the final inversion, least significant byte first.
func crc(parts ...[]byte) []byte {
	var sum uint32
	for _, p := range parts {
		sum = crc32.Update(sum, crc32.IEEETable, p)
	}
	return binary.LittleEndian.AppendUint32(nil, ^sum)
}

// rotateLeft returns RndA' or RndB': the block rotated by one byte to the left.
func rotateLeft(b block) []byte { return append(append([]byte(nil), b[1:]...), b[0]) }

// lastBlock returns the last block, which is the IV of the next message of a chain.
func lastBlock(b []byte) block { return block(b[len(b)-aes.BlockSize:]) }

// diversify derives a card's AES-128 key from the site's key (AN10922 §2.2): CMAC(site, 01 ‖ m). m must have 16 to 31
// bytes. Shorter input is not possible, because AN10922 would pad it to two blocks and CMAC would not.
func diversify(site block, m []byte) block { return cmac(site, append([]byte{0x01}, m...)) }
