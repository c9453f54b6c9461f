package daemon

import (
	"slices"
	"time"

	"portillon/daemon/panel"
	"portillon/policy"
)

const (
	formLife   = 10 * time.Minute
	formsMost  = 32               // open at once; more are refused
	formsEach  = 4                // of one member; their own oldest goes first
	reportsMax = 5                // that one member may write within reportsIn
	reportsIn  = 10 * time.Minute // and no card buries a machine in reports
)

// forms are what was opened at the panel, and what was sent from elsewhere and waits for its member. Both are bounded,
// in all and for each member, and so is what a member reports.
type forms struct {
	cfg     *Config
	open    []form
	reports map[reportKey][]time.Time // when each member's last ones were written
	waiting []unsignedForm            // sent from phones; they wait for their members
	// dangerAt is when a danger was last reported unsigned, droppedAt when a form was dropped that nobody confirmed; zero:
	// never.
	dangerAt, droppedAt time.Time
}

// form is one that was opened, and whose it is.
type form struct {
	panel.Form
	opener       policy.MemberID // who tapped
	by, endorser policy.MemberID // whose work it is, and who answers for it
	session      string
	role         policy.Role
	started      time.Time
	since        time.Time // log: when the session began
}

// unsignedForm is one that waits. It is known at the panel by id: its token stays a secret of whoever holds it.
type unsignedForm struct {
	form
	id    string
	entry panel.Entry
	ends  time.Time
	asked bool // its member's card was presented since
}

// reportKey counts reports. What is unsigned is counted apart: it never uses up what a member may report themselves.
type reportKey struct {
	id       policy.MemberID
	unsigned bool
}

// keep drops the opener's own oldest form where they have too many, and reports whether there is room. Nobody's form is
// dropped for another member's.
func (f *forms) keep(x form) bool {
	f.dropOld()
	n, oldest := 0, -1
	for i, o := range f.open {
		if o.opener != x.opener {
			continue
		}
		if n++; oldest < 0 {
			oldest = i
		}
	}
	if oldest >= 0 && (n >= formsEach || len(f.open) >= formsMost) {
		f.open = slices.Delete(f.open, oldest, oldest+1)
	}
	if len(f.open) >= formsMost {
		return false
	}
	f.open = append(f.open, x)
	return true
}

// dropOld drops the forms whose time is over.
func (f *forms) dropOld() {
	f.open = slices.DeleteFunc(f.open, func(x form) bool { return !f.cfg.Now().Before(x.Ends) })
}

// find is the open form with this token.
func (f *forms) find(token string) (form, bool) {
	f.dropOld()
	i := slices.IndexFunc(f.open, func(x form) bool { return x.Token == token })
	if i < 0 {
		return form{}, false
	}
	return f.open[i], true
}

// useUp removes a form that is on record, or waits for its member.
func (f *forms) useUp(token string) {
	f.open = slices.DeleteFunc(f.open, func(x form) bool { return x.Token == token })
}

// mayReport counts what one member reports: a card that was let go on reporting would fill the journal.
func (f *forms) mayReport(who reportKey) bool {
	if f.reports == nil {
		f.reports = map[reportKey][]time.Time{}
	}
	now := f.cfg.Now()
	f.reports[who] = slices.DeleteFunc(f.reports[who], func(at time.Time) bool { return now.Sub(at) >= reportsIn })
	if len(f.reports[who]) >= reportsMax {
		return false
	}
	f.reports[who] = append(f.reports[who], now)
	return true
}

// roomFor reports whether another form of this member may wait. A form that waits is never dropped for another one.
func (f *forms) roomFor(id policy.MemberID) bool {
	f.expire()
	own := 0
	for _, u := range f.waiting {
		if u.opener == id {
			own++
		}
	}
	return own < formsEach && len(f.waiting) < formsMost
}

// oldestOf is the oldest form that waits for this member.
func (f *forms) oldestOf(id policy.MemberID) (unsignedForm, bool) {
	now := f.cfg.Now()
	i := slices.IndexFunc(f.waiting, func(u unsignedForm) bool { return id != "" && u.opener == id && now.Before(u.ends) })
	if i < 0 {
		return unsignedForm{}, false
	}
	return f.waiting[i], true
}

// ask reports whether this card is the first of a member since something was sent in their name: it only asks them
// about it.
func (f *forms) ask(id policy.MemberID) bool {
	first := false
	for i, u := range f.waiting {
		if u.opener == id && !u.asked && f.cfg.Now().Before(u.ends) {
			f.waiting[i].asked, first = true, true
		}
	}
	return first
}

// waitingFor is the form of that id, where it is this member's and still waits.
func (f *forms) waitingFor(id string, who policy.MemberID) (unsignedForm, bool) {
	f.expire()
	i := slices.IndexFunc(f.waiting, func(u unsignedForm) bool { return u.id == id && u.opener == who })
	if i < 0 {
		return unsignedForm{}, false
	}
	return f.waiting[i], true
}

// remove removes a form that was confirmed or denied.
func (f *forms) remove(id string) {
	f.waiting = slices.DeleteFunc(f.waiting, func(u unsignedForm) bool { return u.id == id })
}

// expire drops the forms that waited for too long.
func (f *forms) expire() {
	now := f.cfg.Now()
	f.drop(func(u unsignedForm) bool { return !now.Before(u.ends) })
}

// drop drops forms with their photos, and says so in the log and at the panel's foot.
func (f *forms) drop(which func(unsignedForm) bool) {
	var rest []unsignedForm
	for _, u := range f.waiting {
		if !which(u) {
			rest = append(rest, u)
			continue
		}
		u.dropPhoto()
		f.cfg.Logger.Warn("form dropped: its member did not confirm it", "do", u.Do, "member", u.opener)
		if u.Do != formReport { // a problem is on record, unsigned
			f.droppedAt = f.cfg.Now()
		}
	}
	f.waiting = rest
}

// dropPhoto deletes the photo of a form that came to nothing. A problem's is its record's.
func (u unsignedForm) dropPhoto() {
	if u.Do != formReport {
		u.entry.Photo.Drop()
	}
}
