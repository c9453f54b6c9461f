package daemon

import (
	"slices"
	"time"

	"portillon/daemon/panel"
	"portillon/policy"
)

const (
	formLife   = 10 * time.Minute
	formsMost  = 32               // largest number of open forms; more are refused
	formsEach  = 4                // largest number of open forms per member; the oldest is dropped first
	reportsMax = 5                // reports that one member may write within reportsIn
	reportsIn  = 10 * time.Minute // period of reportsMax: one card cannot flood a machine with reports
)

// forms contains the forms that were opened at the panel, and forms that were sent from elsewhere and wait for their
// member. The numbers of forms are limited, in total and for each member, and the number of a member's reports is
// limited too.
type forms struct {
	cfg     *Config
	open    []form
	reports map[reportKey][]time.Time // times of each member's last reports
	waiting []unsignedForm            // forms from elsewhere that wait for their members
	// dangerAt is the time of the last unsigned report of a danger, and droppedAt the time at which an unconfirmed form
	// was last dropped; zero: never.
	dangerAt, droppedAt time.Time
}

// form is an open form, with the person who opened it.
type form struct {
	panel.Form
	opener       policy.MemberID // the member who tapped
	by, endorser policy.MemberID // the member who did the work, and the maintainer who is responsible
	session      string
	role         policy.Role
	started      time.Time
	since        time.Time // start of the session, for a log form
}

// unsignedForm is a form that waits for its member. The panel refers to it by id, so that its token remains a secret of
// the person who has it.
type unsignedForm struct {
	form
	id    string
	entry panel.Entry
	ends  time.Time
	asked bool // its member's card has been presented since
}

// reportKey identifies a counter of reports. Unsigned reports are counted separately, so that they never use up the
// limit of the member's own reports.
type reportKey struct {
	id       policy.MemberID
	unsigned bool
}

// add stores a form, drops the opener's oldest form if they have too many, and reports whether there was room. A
// member's form is never dropped for a form of another member.
func (f *forms) add(x form) bool {
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

// dropOld drops the forms that have expired.
func (f *forms) dropOld() {
	f.open = slices.DeleteFunc(f.open, func(x form) bool { return !f.cfg.Now().Before(x.Ends) })
}

// find returns the open form with this token.
func (f *forms) find(token string) (form, bool) {
	f.dropOld()
	i := slices.IndexFunc(f.open, func(x form) bool { return x.Token == token })
	if i < 0 {
		return form{}, false
	}
	return f.open[i], true
}

// useUp removes a form that is recorded or waits for its member.
func (f *forms) useUp(token string) {
	f.open = slices.DeleteFunc(f.open, func(x form) bool { return x.Token == token })
}

// mayReport counts a report of a member and reports whether the limit permits it. Without a limit, one card could fill
// the journal.
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

// roomFor reports whether another form of this member may wait for confirmation. A waiting form is never dropped for
// another one.
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

// oldestOf returns the oldest form that waits for this member.
func (f *forms) oldestOf(id policy.MemberID) (unsignedForm, bool) {
	now := f.cfg.Now()
	i := slices.IndexFunc(f.waiting, func(u unsignedForm) bool { return id != "" && u.opener == id && now.Before(u.ends) })
	if i < 0 {
		return unsignedForm{}, false
	}
	return f.waiting[i], true
}

// opensQuestion reports whether this is the member's first tap since a form was sent in their name. Such a tap only
// opens the question about the form at the panel.
func (f *forms) opensQuestion(id policy.MemberID) bool {
	first := false
	for i, u := range f.waiting {
		if u.opener == id && !u.asked && f.cfg.Now().Before(u.ends) {
			f.waiting[i].asked, first = true, true
		}
	}
	return first
}

// waitingFor returns the form with this id if it belongs to this member and still waits.
func (f *forms) waitingFor(id string, who policy.MemberID) (unsignedForm, bool) {
	f.expire()
	i := slices.IndexFunc(f.waiting, func(u unsignedForm) bool { return u.id == id && u.opener == who })
	if i < 0 {
		return unsignedForm{}, false
	}
	return f.waiting[i], true
}

// remove deletes a form from the list after its member has confirmed or denied it.
func (f *forms) remove(id string) {
	f.waiting = slices.DeleteFunc(f.waiting, func(u unsignedForm) bool { return u.id == id })
}

// expire drops the forms that have waited for their members longer than formLife.
func (f *forms) expire() {
	now := f.cfg.Now()
	f.drop(func(u unsignedForm) bool { return !now.Before(u.ends) })
}

// drop deletes the selected forms with their photos, logs each form, and shows a note at the panel.
func (f *forms) drop(which func(unsignedForm) bool) {
	var rest []unsignedForm
	for _, u := range f.waiting {
		if !which(u) {
			rest = append(rest, u)
			continue
		}
		u.dropPhoto()
		f.cfg.Logger.Warn("form dropped: its member did not confirm it", "do", u.Do, "member", u.opener)
		if u.Do != panel.OpenReport { // a problem is already recorded, unsigned
			f.droppedAt = f.cfg.Now()
		}
	}
	f.waiting = rest
}

// dropPhoto deletes the photo of a form that was dropped. The photo of a problem belongs to the problem's record and
// stays.
func (u unsignedForm) dropPhoto() {
	if u.Do != panel.OpenReport {
		u.entry.Photo.Drop()
	}
}
