package bfcl

import (
	"sync"

	"ballast/value"
)

var sectors = map[any][]any{
	"Technology": {"AAPL", "GOOG", "MSFT", "NVDA"},
	"Automobile": {"TSLA", "F", "GM"},
}

// sectorAnswers are the answers to get_available_stocks, without and with the
// stocks of the long context.
var sectorAnswers = [2]func() map[string]string{
	sync.OnceValue(func() map[string]string {
		return map[string]string{
			"Technology": constant("stock_list", &value.List{Items: sectors["Technology"]}),
			"Automobile": constant("stock_list", &value.List{Items: sectors["Automobile"]}),
		}
	}),
	sync.OnceValue(func() map[string]string {
		return map[string]string{
			"Technology": constant("stock_list", constants().technology),
			"Automobile": constant("stock_list", constants().automobile),
		}
	}),
}

func (s *tradingBot) available(a []any) string {
	hashable(a[0])
	answers := sectorAnswers[0]
	if s.long {
		answers = sectorAnswers[1]
	}
	name, _ := a[0].(string)
	if answer, ok := answers()[name]; ok {
		return answer
	}
	return `{"stock_list": []}`
}
