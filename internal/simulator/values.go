package simulator

import "strings"

// The tables of the documents (AddAccount, SetAccountInfo).

var languageCodes = wordSet(`aa ab af am ar as ay az ba be bg bh bi bn bo br ca co cs cy da de dz el en eo es et eu fa fi fj fo fr
	fy ga gd gl gn gu ha hi he hr hu hy ia id ie ik in is it iu iw ja ji jw ka kk kl km kn ko ks ku ky la ln lo lt lv mg mi mk ml mn
	mo mr ms mt my na ne nl no oc om or pa pl ps pt qu rm rn ro ru rw sa sd sg sh si sk sl sm sn so sq sr ss st su sv sw ta te tg th
	ti tk tl tn to tr ts tt tw ug uk ur uz vi vo wo xh yi yo za zh zu`)

var countryCodes = wordSet(`AF AL DZ AS AD AO AI AQ AG AR AM AW AU AT AZ BH BD BB BY BE BZ BJ BM BT BO BA BW BV BR IO BN BG BF BI KH
	CM CA CV KY CF TD CL CN CX CO KM CG CK CR HR CU CY CZ DK DJ DM DO EC EG SV GQ ER EE ET FO FJ FI FR GF PF TF GA GE DE GH GI GR GL
	GD GP GU GT GG GN GY HT HM HN HU IS IN ID IR IQ IE IL IT JM JP JE JO KZ KE KI KR KW KG LA LV LB LS LR LY LI LT LU MG MW MY MV ML
	MT MH MQ MR MU YT MX FM MD MC MN ME MS MA MZ MM NA NR NP NL AN NC NZ NI NE NG NU NF KP MP NO OM PK PW PS PA PG PY PE PH PN PL PT
	PR QA RE RO RU RW WS SM SA SN RS SC SL SG SK SI SB SO ZA GS ES LK SD SR SZ SE CH SY ST TW TJ TZ TH TG TK TO TT TN TR TM TC TV UG
	UA AE GB US UY UZ VU VA VE VN VI WF EH YE ZM ZW AX`)

// languageTwins are the codes that stand in the documented list under an old and a new name.
var languageTwins = [][2]string{{"iw", "he"}, {"in", "id"}, {"ji", "yi"}, {"mo", "ro"}, {"sh", "sr"}}

func languageTwin(code string) string {
	for _, pair := range languageTwins {
		switch code {
		case pair[0]:
			return pair[1]
		case pair[1]:
			return pair[0]
		}
	}
	return code
}

func wordSet(words string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		set[word] = true
	}
	return set
}
