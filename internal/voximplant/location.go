package voximplant

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the check must not depend on what the machine has installed
)

// zoneLinks are names of one and the same time zone, from the file "backward" of the IANA time zone database (2025b):
// the first is the one for comparison. Only old spellings and short names of the same place stand here. Zones that the
// database has merged because their clocks have agreed since 1970 are different places, and so different values.
// UTC is GMT here: the API's own default is Etc/GMT, and no clock tells them apart.
const zoneLinks = `
Africa/Asmara Africa/Asmera
Africa/Cairo Egypt
Africa/Tripoli Libya
America/Adak America/Atka US/Aleutian
America/Anchorage US/Alaska
America/Argentina/Buenos_Aires America/Buenos_Aires
America/Argentina/Catamarca America/Catamarca America/Argentina/ComodRivadavia
America/Argentina/Cordoba America/Cordoba America/Rosario
America/Argentina/Jujuy America/Jujuy
America/Argentina/Mendoza America/Mendoza
America/Atikokan America/Coral_Harbour
America/Chicago US/Central
America/Denver US/Mountain Navajo
America/Detroit US/Michigan
America/Edmonton Canada/Mountain
America/Halifax Canada/Atlantic
America/Havana Cuba
America/Indiana/Indianapolis America/Indianapolis America/Fort_Wayne US/East-Indiana
America/Indiana/Knox America/Knox_IN US/Indiana-Starke
America/Jamaica Jamaica
America/Kentucky/Louisville America/Louisville
America/Los_Angeles US/Pacific
America/Manaus Brazil/West
America/Mazatlan Mexico/BajaSur
America/Mexico_City Mexico/General
America/New_York US/Eastern
America/Noronha Brazil/DeNoronha
America/Nuuk America/Godthab
America/Phoenix US/Arizona
America/Regina Canada/Saskatchewan
America/Rio_Branco America/Porto_Acre Brazil/Acre
America/Santiago Chile/Continental
America/Sao_Paulo Brazil/East
America/St_Johns Canada/Newfoundland
America/St_Thomas America/Virgin
America/Tijuana America/Ensenada Mexico/BajaNorte
America/Toronto Canada/Eastern
America/Vancouver Canada/Pacific
America/Whitehorse Canada/Yukon
America/Winnipeg Canada/Central
Asia/Ashgabat Asia/Ashkhabad
Asia/Chongqing Asia/Chungking
Asia/Dhaka Asia/Dacca
Asia/Ho_Chi_Minh Asia/Saigon
Asia/Hong_Kong Hongkong
Asia/Jerusalem Asia/Tel_Aviv Israel
Asia/Kathmandu Asia/Katmandu
Asia/Kolkata Asia/Calcutta
Asia/Macau Asia/Macao
Asia/Makassar Asia/Ujung_Pandang
Asia/Nicosia Europe/Nicosia
Asia/Seoul ROK
Asia/Shanghai PRC
Asia/Singapore Singapore
Asia/Taipei ROC
Asia/Tehran Iran
Asia/Thimphu Asia/Thimbu
Asia/Tokyo Japan
Asia/Ulaanbaatar Asia/Ulan_Bator
Asia/Yangon Asia/Rangoon
Atlantic/Faroe Atlantic/Faeroe
Atlantic/Reykjavik Iceland
Australia/Adelaide Australia/South
Australia/Brisbane Australia/Queensland
Australia/Broken_Hill Australia/Yancowinna
Australia/Darwin Australia/North
Australia/Hobart Australia/Tasmania
Australia/Lord_Howe Australia/LHI
Australia/Melbourne Australia/Victoria
Australia/Perth Australia/West
Australia/Sydney Australia/ACT Australia/Canberra Australia/NSW
Etc/GMT Etc/GMT+0 Etc/GMT-0 Etc/GMT0 Etc/Greenwich Etc/UCT Etc/UTC Etc/Universal Etc/Zulu GMT GMT+0 GMT-0 GMT0 Greenwich UCT UTC Universal Zulu
Europe/Chisinau Europe/Tiraspol
Europe/Dublin Eire
Europe/Istanbul Asia/Istanbul Turkey
Europe/Kyiv Europe/Kiev
Europe/Lisbon Portugal
Europe/London Europe/Belfast GB GB-Eire
Europe/Moscow W-SU
Europe/Warsaw Poland
Pacific/Auckland NZ
Pacific/Chatham NZ-CHAT
Pacific/Chuuk Pacific/Truk Pacific/Yap
Pacific/Easter Chile/EasterIsland
Pacific/Honolulu US/Hawaii
Pacific/Kanton Pacific/Enderbury
Pacific/Kwajalein Kwajalein
Pacific/Pago_Pago Pacific/Samoa US/Samoa
Pacific/Pohnpei Pacific/Ponape
`

var zoneOf = func() map[string]string {
	zones := map[string]string{}
	for line := range strings.Lines(zoneLinks) {
		names := strings.Fields(line)
		for i := 1; i < len(names); i++ {
			zones[names[i]] = names[0]
		}
	}
	return zones
}()

// canonicalLocation maps the other names of a time zone to one.
func canonicalLocation(v string) string {
	v = strings.TrimSpace(v)
	if zone, ok := zoneOf[v]; ok {
		return zone
	}
	return v
}

var (
	zoneName = regexp.MustCompile(`^[A-Z][A-Za-z0-9_+-]*(/[A-Z][A-Za-z0-9_+-]*){0,2}$`)
	// knownZones remembers the zones that were found, which are few: looking one up reads a file.
	knownZones sync.Map
)

// checkLocation accepts the names of the IANA time zone database; not "Local" and "Factory", which are no place. The CRD has the same
// list (timezones.txt); a database on the machine may be newer, and counts too.
func checkLocation(v string) error {
	if _, known := knownZones.Load(v); known {
		return nil
	}
	if !zoneName.MatchString(v) || v == "Local" || v == "Factory" {
		return zoneProblem(v)
	}
	if _, err := time.LoadLocation(v); err != nil {
		return zoneProblem(v)
	}
	knownZones.Store(v, true)
	return nil
}

func zoneProblem(v string) error {
	text := fmt.Sprintf("%.64q is not a time zone of the IANA database, which has exact names such as Europe/Berlin and Etc/GMT+10", v)
	if zone := nearestZone(v); zone != "" {
		text += fmt.Sprintf(". Did you mean %s?", zone)
	}
	return errors.New(text)
}
