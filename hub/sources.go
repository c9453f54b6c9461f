package hub

import (
	"context"
	"fmt"

	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/membersource"
	"portillon/policy"
)

// lists returns the lists of members that hub.yaml says to fetch. In a demonstration the hub fetches nothing.
func (sv *services) lists() (out []directory.ListSource, err error) {
	if sv.core.offline {
		return nil, nil
	}
	for _, c := range sv.core.c.Sources {
		from, err := membersource.New(c.From, membersource.Options{Now: sv.core.now})
		if err != nil {
			return nil, fmt.Errorf("sources.%s: %w", c.Name, err)
		}
		out = append(out, directory.ListSource{Name: c.Name, Program: c.From.Kind, From: from, Hour: c.Hour,
			Minute: c.Minute, Until: c.Until, MayLose: c.MayLose})
	}
	return out, nil
}

// tellOfList mails the administrators that a list waits for them, or fails. The mail names no member.
func (sv *services) tellOfList(ctx context.Context, s directory.SourceState) error {
	site := sv.siteNow()
	l := policy.English
	if site.Language == "fr" {
		l = policy.French
	}
	subject := policy.Text{FR: "%s : la liste « %s » attend votre accord", EN: "%s: the list “%s” waits for you"}
	text := policy.Text{
		FR: "Cette nuit, la liste de membres « %s » demande plus de changements que le hub n'en fait seul :\n" +
			"%d ajoutés, %d modifiés, %d absents de la liste ; %d perdent un accès.\n\n" +
			"Rien n'a changé. Regardez ces changements, puis appliquez-les ou corrigez la liste%s\n",
		EN: "Last night the list of members “%s” asks for more changes than the hub makes by itself:\n" +
			"%d added, %d changed, %d missing from the list; %d lose access.\n\n" +
			"Nothing was changed. Look at these changes, then apply them or correct the list%s\n"}
	where := "."
	if url := sv.core.c.Web.URL; url != nil {
		where = policy.Text{FR: " :\n", EN: ":\n"}.In(l) + url.JoinPath("members", "import").String()
	}
	body := fmt.Sprintf(text.In(l), s.Name, s.Added, s.Changed, s.Gone, s.Losing, where)
	if s.Outcome == directory.Failed {
		subject = policy.Text{FR: "%s : la liste « %s » n'arrive plus", EN: "%s: the list “%s” cannot be fetched"}
		words, err := fault.ReadWords()
		if err != nil {
			return err
		}
		body = fmt.Sprintf(policy.Text{
			FR: "Cette nuit, le hub n'a pas pu lire la liste de membres « %s » : %s.\n\n" +
				"Rien n'a changé, et le hub recommence chaque nuit%s\n",
			EN: "Last night the hub could not read the list of members “%s”: %s.\n\n" +
				"Nothing was changed, and the hub tries again every night%s\n"}.In(l),
			s.Name, words.In(site.Language, s.Why), where)
	}
	return sv.accounts.Outbox.TellAdministrators(ctx, fmt.Sprintf(subject.In(l), site.Title, s.Name), body)
}
