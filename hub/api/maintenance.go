package api

import (
	"time"

	"portillon/hub/actor"
	"portillon/hub/maintenance"
)

// maintenanceAPI serves the routes of maintenance.
type maintenanceAPI struct {
	maintenance Maintenance
}

// routes returns the routes of maintenance.
func (s *maintenanceAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/maintenance", Act: actor.ReadReports, Answer: maintenance.Overview{},
			Produces: []string{csvType}, handle: s.getOverview},
		{Method: "GET", Path: "/machines/{machine}/maintenance", Act: actor.ReadReports, Answer: maintenance.Machine{},
			handle: s.getMachine},
	}
}

// getOverview returns what the machines need, the worst first. A CSV response contains only this list.
func (s *maintenanceAPI) getOverview(c *call) (answer, error) {
	found, err := s.maintenance.Overview(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	if !c.wantsCSV() {
		return answer{body: found}, nil
	}
	rows := [][]string{{"machine", "group", "what", "since", "words"}}
	for _, i := range found.Items {
		what, since, words := i.Summary()
		rows = append(rows, []string{string(i.Machine), string(i.Group), what, since.UTC().Format(time.RFC3339), words})
	}
	return csvAnswer("maintenance.csv", rows), nil
}

// getMachine returns the maintenance of the machine in the path.
func (s *maintenanceAPI) getMachine(c *call) (answer, error) {
	m, err := s.maintenance.Machine(c.ctx(), c.actor, c.machine())
	if err != nil {
		return answer{}, err
	}
	return answer{body: m}, nil
}
