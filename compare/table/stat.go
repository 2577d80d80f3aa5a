package table

import (
	"encoding/json"
	"io"
	"math"

	"ballast/report/plot"
)

// Stat is a figure over replicates.
type Stat struct {
	N    int     // replicates that have it
	Mean float64 // NaN where N is 0
	Half float64 // half of the 95% t interval; NaN where N is under Enough
	// Values are those of fewer than Enough replicates, in their order: an interval over two has
	// one degree of freedom and says nothing.
	Values []float64
	// Low and High are the interval of a single replicate over what it counted, such as the tasks
	// of an evaluation; High is 0 where there is none.
	Low, High float64
}

// Enough is the least number of replicates that have an interval over them.
const Enough = 3

// NewStat summarises values; what is not finite is left out.
func NewStat(values []float64) Stat {
	v := plot.Finite(values)
	s := Stat{N: len(v), Mean: math.NaN(), Half: math.NaN()}
	if s.N == 0 {
		return s
	}
	n := float64(s.N)
	s.Mean = 0
	for _, x := range v {
		s.Mean += x / n
	}
	if s.N < Enough {
		s.Values = v
		return s
	}
	sum := 0.0
	for _, x := range v {
		sum += (x - s.Mean) * (x - s.Mean)
	}
	s.Half = tQuantile(s.N-1) * math.Sqrt(sum/(n-1)/n)
	return s
}

// quantiles are the 0.975 quantiles of Student's t with 1 to 10 degrees of freedom,
// where the expansion below is not good enough.
var quantiles = [...]float64{12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281}

// tQuantile is the 0.975 quantile of Student's t; beyond the table by the
// Cornish-Fisher expansion around the normal quantile, good to four digits.
func tQuantile(df int) float64 {
	if df <= len(quantiles) {
		return quantiles[df-1]
	}
	const z = 1.959963984540054
	n := float64(df)
	z3, z5, z7 := z*z*z, math.Pow(z, 5), math.Pow(z, 7)
	return z + (z3+z)/(4*n) + (5*z5+16*z3+3*z)/(96*n*n) + (3*z7+19*z5+17*z3-15*z)/(384*n*n*n)
}

// Formats are what tables can be printed in.
var Formats = []string{"text", "markdown", "csv", "json"}

// Print writes tables in one of the formats.
func Print(w io.Writer, format string, tables []Table) error {
	switch format {
	case "text":
		_, err := io.WriteString(w, Text(tables))
		return err
	case "markdown":
		_, err := io.WriteString(w, Markdown(tables))
		return err
	case "json":
		return json.NewEncoder(w).Encode(tables)
	default: // csv
		for i := range tables {
			if err := tables[i].CSV(w); err != nil {
				return err
			}
		}
		return nil
	}
}
