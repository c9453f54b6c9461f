package doctor

import (
	"time"

	"portillon/daemon/control"
	"portillon/daemon/uplink"
	"portillon/policy"
)

// hub reports whether the hub acknowledges records, according to the daemon. hub does not test whether the broker is
// reachable, because a reachable broker does not prove that the hub receives the records.
func (x *exam) hub(st control.Status) {
	switch u := st.Unacked; {
	case st.Alone, u == nil && !st.Hub: // without a hub, or with a daemon too old for this report
	case st.Hub:
		x.addFinding("hub", Well, t("Le hub accuse réception", "The hub acknowledges"), policy.Text{})
	case u != nil && (u.Overdue || u.Why != "" && u.Why != string(uplink.BrokerAway)):
		// report nothing, because the look "broker" reports an unreachable broker
		since := u.Since.Format("2006-01-02 15:04")
		fact, cure := uplink.Explain(u.Why)
		fr, en := fact.FR, fact.EN
		if u.Detail != "" {
			fr, en = fr+" ("+u.Detail+")", en+" ("+u.Detail+")"
		}
		x.addFinding("hub", Ill, t("Le hub n’accuse pas réception depuis le "+since+" : "+fr,
			"The hub has acknowledged nothing since "+since+": "+en), cure)
	default:
		x.addFinding("hub", Unknown, t("Le hub n’a pas encore répondu", "The hub has not answered yet"),
			tf("Relancer dans %d min", "Run again in %d min", int(uplink.Overdue/time.Minute)))
	}
}
