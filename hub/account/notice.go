package account

import (
	"context"
	"time"

	"portillon/hub/store"
)

// noticeLife is the time during which the outbox tries to send a notice: a mail server may be down for a weekend.
const noticeLife = 3 * 24 * time.Hour

// maxNotified limits the recipients of one notice.
const maxNotified = 50

// TellAdministrators adds a mail to each owner and administrator whose account name is an e-mail address, at most
// maxNotified. With no mail server, TellAdministrators does nothing. The mail should name no member, because it leaves
// the hub.
func (s *Outbox) TellAdministrators(ctx context.Context, subject, body string) error {
	if s.sender == nil {
		return nil
	}
	to, err := s.administrators(ctx)
	if err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		for _, address := range to {
			m := Mail{To: address, Subject: replaceUnprintable(subject), Body: body}
			if err := s.enqueueFor(ctx, tx, m, noticeLife); err != nil {
				return err
			}
		}
		return nil
	})
}

// administrators returns the addresses of the owners and administrators.
func (s *Outbox) administrators(ctx context.Context) (out []string, err error) {
	rows, err := s.core.site.Query(ctx, `SELECT name FROM account WHERE site = $1 AND role IN ('owner', 'administrator')
		AND disabled = 0 ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if address, err := parseAddress(name); err == nil && len(out) < maxNotified {
			out = append(out, address)
		}
	}
	return out, rows.Err()
}
