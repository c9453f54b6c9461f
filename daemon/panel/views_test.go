package panel

import (
	"strings"
	"testing"
)

func TestNamesThatTakeAnApostropheInFrench(t *testing.T) {
	for name, want := range map[string]string{"Inès": "d’Inès", "Élie": "d’Élie", "Álvaro": "d’Álvaro", "Hélène": "d’Hélène", "Henri": "d’Henri", "Yves": "d’Yves",
		"Hugo": "de Hugo", "Yanis": "de Yanis", "Karim": "de Karim", "": "de "} {
		if got := of(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestNoLineBreaksInsideWhatIsOneWord(t *testing.T) {
	for s, want := range map[string]string{
		"« Nour » : jusqu’à 16 h 00 !":   "«~Nour~»~: jusqu’à 16~h~00~!",
		"Encore 2 min ; 4 Mo au plus":    "Encore 2~min~; 4~Mo au plus",
		"3 hommes, 2 jours, 20 minutes":  "3 hommes, 2 jours, 20 minutes",
		"Machine started: 3 h 20 min of": "Machine started: 3~h~20~min of",
	} {
		if got := strings.ReplaceAll(tie(s), "\u00a0", "~"); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
}
