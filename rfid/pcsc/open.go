package pcsc

import (
	"fmt"
	"time"
)

// Socket is the path of pcscd's socket on Debian (pcscd.socket of its package).
const Socket = "/run/pcscd/pcscd.comm"

// Open opens the first PC/SC reader whose name begins with prefix. An empty prefix selects the first reader. Open
// blocks for 4 s at most. During the last second of opening, Open polls the reader, so that pcscd has detected a card
// that already lies on the reader.
func Open(prefix string) (*Device, error) { return openAt(Socket, prefix) }

func openAt(socket, prefix string) (*Device, error) {
	c, err := dial(socket, time.Now().Add(openTime))
	if err != nil {
		return nil, fmt.Errorf("reader %q: %w", prefix, err)
	}
	d, err := newDevice(c, prefix)
	if err != nil {
		c.conn.Close()
		return nil, fmt.Errorf("reader %q: %w", prefix, err)
	}
	return d, nil
}

// Readers returns the names of pcscd's readers. Readers blocks for 2 s at most.
func Readers() ([]string, error) { return readersAt(Socket) }

func readersAt(socket string) ([]string, error) {
	c, err := dial(socket, time.Now().Add(openTime))
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	list, err := c.readers()
	return names(list), err
}
