package locale

import "testing"

func TestLanguages(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
		ok   bool
	}{
		{nil, "", true},
		{map[string]string{"LANG": "C"}, "", true},
		{map[string]string{"LANG": "de_DE.UTF-8"}, "de_DE.UTF-8", true},
		{map[string]string{"LANG": "C.UTF-8"}, "en", false},
		{map[string]string{"LC_ALL": "C.UTF-8", "LANG": "de_DE.UTF-8"}, "en", false},
		{map[string]string{"LANG": "de_DE@euro"}, "en", false},
		{map[string]string{"LANG": "C.UTF-8", "LANGUAGE": "de:en"}, "de:en", true},
		{map[string]string{"LANG": "de_DE.UTF-8", "LANGUAGE": "x-y:fr_FR:nonsense"}, "fr_FR", false},
		{map[string]string{"LANG": "zh_Hant_TW"}, "en", false},
		{map[string]string{"LANG": "\xff\x00"}, "en", false},
	} {
		if got, ok := languages(func(name string) string { return c.env[name] }); got != c.want || ok != c.ok {
			t.Errorf("%v gave %q, %v; want %q, %v", c.env, got, ok, c.want, c.ok)
		}
	}
}
