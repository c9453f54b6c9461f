package openbadge

import (
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"runtime"
)

// keyFile is the JSON form of a key file. The property names of a key file come from Controlled Identifiers 1.0,
// section 2.2: a Multikey for Ed25519, a JsonWebKey for RSA.
type keyFile struct {
	Note      string     `json:"note,omitempty"`
	Type      string     `json:"type"`
	Public    string     `json:"publicKeyMultibase,omitempty"`
	Secret    string     `json:"secretKeyMultibase,omitempty"`
	SecretJWK *secretJWK `json:"secretKeyJwk,omitempty"`
}

// secretJWK is an RSA private key with two primes (RFC 7518, section 6.3).
type secretJWK struct {
	Type string `json:"kty"`
	N    number `json:"n"`
	E    number `json:"e"`
	D    number `json:"d"`
	P    number `json:"p"`
	Q    number `json:"q"`
	DP   number `json:"dp"`
	DQ   number `json:"dq"`
	QI   number `json:"qi"`
}

// number is a Base64urlUInt (RFC 7518, section 2).
type number struct{ int *big.Int }

func (n number) MarshalText() ([]byte, error) { return []byte(b64(n.int.Bytes())), nil }

func (n *number) UnmarshalText(text []byte) error {
	b, err := base64.RawURLEncoding.DecodeString(string(text))
	n.int = new(big.Int).SetBytes(b)
	return err // ParseKey does not return this error to its caller, because the error quotes the input
}

// maxKeyFile is the largest accepted size of a key file, in bytes. An RSA key of 8,192 bits takes about 6,500 bytes.
const maxKeyFile = 16 << 10

// MarshalText returns the content of the key's file, which includes the private key. Only the owner may be able to
// read the file.
func (k *Key) MarshalText() ([]byte, error) {
	f := keyFile{Note: k.note, Type: "Multikey", Public: k.Multikey()}
	if k.rsa != nil {
		f.Type, f.SecretJWK = "JsonWebKey", secretOf(k.rsa)
	} else {
		f.Secret = "z" + encode58(append(secretPrefix[:], k.private.Seed()...))
	}
	b, err := json.MarshalIndent(f, "", "  ")
	return append(b, '\n'), err
}

// secretOf returns an RSA private key as a JWK.
func secretOf(k *rsa.PrivateKey) *secretJWK {
	c := k.Precomputed
	return &secretJWK{
		"RSA",
		number{k.N},
		number{big.NewInt(int64(k.E))},
		number{k.D},
		number{k.Primes[0]},
		number{k.Primes[1]},
		number{c.Dp},
		number{c.Dq},
		number{c.Qinv},
	}
}

// ParseKey reads a key from the text that MarshalText returned. The errors of ParseKey never quote the input.
func ParseKey(b []byte) (*Key, error) {
	var f keyFile
	if len(b) > maxKeyFile || json.Unmarshal(b, &f) != nil {
		return nil, errNoKey
	}
	switch f.Type {
	case "Multikey":
		return f.ed25519Key()
	case "JsonWebKey":
		return f.rsaKey()
	}
	return nil, errNoKey
}

var errNoKey = errors.New("file is not an issuer's key file: create a key file with portillon badge keygen")

// ed25519Key returns the Ed25519 key in the file, and checks that its public key matches its secret key.
func (f keyFile) ed25519Key() (*Key, error) {
	seed, ok := decodeMultibase(f.Secret, secretPrefix, ed25519.SeedSize)
	if !ok {
		return nil, errors.New("secretKeyMultibase of the key file is not an Ed25519 key")
	}
	k := &Key{private: ed25519.NewKeyFromSeed(seed), note: f.Note}
	if k.Multikey() != f.Public {
		return nil, errors.New("public key and secret key of the key file do not match")
	}
	return k, nil
}

// rsaKey builds the RSA key from the independent numbers in the file, and calculates the derived numbers again.
func (f keyFile) rsaKey() (*Key, error) {
	s := f.SecretJWK
	if s == nil || s.Type != "RSA" {
		return nil, errors.New("secretKeyJwk is not an RSA key")
	}
	for _, n := range [...]number{s.N, s.E, s.D, s.P, s.Q} {
		if n.int == nil || n.int.Sign() == 0 || n.int.BitLen() > maxRSABits {
			return nil, errors.New("secretKeyJwk lacks at least one of the members n, e, d, p and q")
		}
	}
	if bits := s.N.int.BitLen(); bits < minRSABits || s.E.int.BitLen() > 31 {
		return nil, fmt.Errorf("RSA key has %d bits, want at least %d", bits, minRSABits)
	}
	k := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: s.N.int, E: int(s.E.int.Int64())},
		D:         s.D.int,
		Primes:    []*big.Int{s.P.int, s.Q.int},
	}
	if k.Validate() != nil {
		return nil, errors.New("numbers in secretKeyJwk do not match")
	}
	k.Precompute()
	return &Key{rsa: k, note: f.Note}, nil
}

// ReadKey reads a key file. ReadKey rejects a file that other users may read or change, as ssh does, because anyone
// with the key can issue badges.
func ReadKey(path string) (*Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s: other users can read this key (mode %04o), want mode 600: chmod 600", path, mode.Perm())
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	k, err := ParseKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}
