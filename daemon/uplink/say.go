package uplink

import (
	"strings"

	"portillon/policy"
)

// ReadCode splits a Health.Code into the reason and the hub's own code. The hub's own code is empty unless the hub
// refuses the records.
func ReadCode(code string) (why Why, refused string) {
	w, refused, _ := strings.Cut(code, "/")
	return Why(w), refused
}

// advice is the explanation of a reason, and what an administrator should do about it.
type advice struct{ fact, cure policy.Text }

func tell(fr, en, cureFR, cureEN string) advice {
	return advice{policy.Text{FR: fr, EN: en}, policy.Text{FR: cureFR, EN: cureEN}}
}

// Explain returns the explanation of a code from Health.Code, which says why the hub does not acknowledge records and
// what to do. If this program does not know the code, Explain returns the code unchanged.
func Explain(code string) (fact, cure policy.Text) {
	why, refused := ReadCode(code)
	a := explainReason(why)
	if why == HubRefuses {
		a = explainRefusal(refused)
	}
	return a.fact, a.cure
}

// explainReason returns the explanation of a reason. explainReason explains the reasons that concern the communication,
// and calls explainDisagreement for all other reasons.
func explainReason(why Why) advice {
	switch why {
	case "":
		return tell(
			"le motif n’est pas connu",
			"the reason is not known",
			"Attendre une minute, puis regarder à nouveau",
			"Wait a minute, then look again")
	case BrokerAway:
		return tell(
			"le courtier MQTT n’est pas joignable",
			"the MQTT broker is not reached",
			"Vérifier le réseau, et mqtt: dans machine.yaml (adresse, compte, mot de passe)",
			"Check the network, and mqtt: in machine.yaml (address, account, password)")
	case BrokerCuts:
		return tell(
			"le courtier coupe la connexion dès que des enregistrements sont envoyés",
			"the broker ends the connection whenever records are sent",
			"Vérifier sa limite de taille : max_packet_size de mosquitto, comme l’écrit « portillon hub "+
				"mosquitto-conf »",
			"Check its size limit: mosquitto’s max_packet_size, as “portillon hub mosquitto-conf” writes it")
	case RecordsDropped:
		return tell(
			"le hub répond, mais les enregistrements ne lui parviennent pas",
			"the hub answers, but the records do not reach it",
			"Vérifier la liste d’accès du courtier : la machine publie sur …/records. « portillon hub "+
				"mosquitto-conf » écrit la bonne",
			"Check the broker’s access list: the machine publishes on …/records. “portillon hub "+
				"mosquitto-conf” writes the right one")
	case NoAnswer:
		return tell(
			"le courtier prend les messages, et le hub ne répond pas",
			"the broker takes the messages, and the hub does not answer",
			"Vérifier que le hub tourne, que son hub.yaml nomme cette machine, et la liste d’accès du "+
				"courtier (…/state, …/ack)",
			"Check that the hub runs, that its hub.yaml names this machine, and the broker’s access list "+
				"(…/state, …/ack)")
	}
	return explainDisagreement(why)
}

// explainDisagreement returns the explanation of a reason that concerns the data of the machine or of the hub, and of a
// reason that is unknown.
func explainDisagreement(why Why) advice {
	switch why {
	case OtherJournal:
		return tell(
			"le hub détient d’autres enregistrements que le journal de cette machine",
			"the hub holds other records than this machine’s journal",
			"Au hub : portillon machine replace MACHINE --hub hub.yaml. Si la machine garde un journal ancien, la "+
				"redémarrer d’abord : elle en commence un nouveau",
			"At the hub: portillon machine replace MACHINE --hub hub.yaml. If the machine has an older journal, "+
				"restart it first: it begins a new one")
	case OtherHubKey:
		return tell(
			"les accusés de réception sont signés par une autre clé que celle du hub",
			"the acknowledgements are signed with another key than the hub’s",
			"Comparer mqtt: hub-key: de machine.yaml avec la clé publique du hub",
			"Compare mqtt: hub-key: in machine.yaml with the hub’s public key")
	case TooLarge:
		return tell(
			"un message dépasse la taille permise",
			"a message is larger than the limit",
			"Chercher dans le journal du service quel message, et qui l’a publié",
			"Look in the service’s log for which message, and who published it")
	case JournalUnread:
		return tell(
			"le journal de la machine ne se lit pas",
			"the machine’s journal cannot be read",
			"portillon journal verify dit jusqu’où il est entier",
			"portillon journal verify says how far it is whole")
	}
	return tell(
		"motif « "+string(why)+" »",
		"reason “"+string(why)+"”",
		"Mettre cet outil à jour",
		"Upgrade this tool")
}

// explainRefusal returns the explanation of the hub's code for a refusal (hub/ledger: Code).
func explainRefusal(code string) advice {
	switch code {
	case "bad-checkpoint":
		return tell(
			"le hub attend une autre clé pour cette machine",
			"the hub pins another key for this machine",
			"Comparer la clé de la machine avec machines: dans hub.yaml",
			"Compare the machine’s key with machines: in hub.yaml")
	case "other-machine":
		return tell(
			"les enregistrements sont ceux d’une autre machine ou d’un autre lieu",
			"the records are another machine’s or another site’s",
			"Comparer site: et machine: de machine.yaml avec hub.yaml",
			"Compare site: and machine: in machine.yaml with hub.yaml")
	case "rolled-back", "forked", "other-generation":
		return tell(
			"le hub détient un autre journal de cette machine",
			"the hub holds another journal of this machine",
			"Au hub : portillon machine replace MACHINE --hub hub.yaml. Si la machine garde un journal ancien, la "+
				"redémarrer d’abord : elle en commence un nouveau",
			"At the hub: portillon machine replace MACHINE --hub hub.yaml. If the machine has an older journal, "+
				"restart it first: it begins a new one")
	case "wrong-root", "malformed":
		return tell(
			"le hub refuse des enregistrements abîmés ou altérés en route",
			"the hub refuses records that were damaged or changed on the way",
			"portillon journal verify dit si le journal de la machine est entier",
			"portillon journal verify says whether the machine’s journal is whole")
	}
	return tell(
		"le hub refuse les enregistrements ("+code+")",
		"the hub refuses the records ("+code+")",
		"Le journal du hub dit pourquoi",
		"The hub’s log says why")
}
