package pcsc

import (
	"fmt"
	"time"
)

// Socket is where pcscd listens on Debian (its package's pcscd.socket).
const Socket = "/run/pcscd/pcscd.comm"

// Open takes the first PC/SC reader whose name begins with prefix; "" takes the first of all. It
// blocks for 4 s at most: 1 s of them it looks at the reader, so that a card that lies there already
// is known when it returns.
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

// Readers lists the names of the readers that pcscd has. It blocks for 2 s at most.
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
