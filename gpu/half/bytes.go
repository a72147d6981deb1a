package half

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Float32s reads little-endian numbers as weight files hold them. The format is
// F32, F16, BF16, F64, F8_E4M3 or F8_E5M2, the names safetensors uses; F64 is
// rounded.
func Float32s(format string, data []byte) ([]float32, error) {
	size, err := byteSize(format)
	eight := float8s[format]
	if eight != nil {
		size, err = 1, nil
	}
	if err != nil {
		return nil, err
	}
	if len(data)%size != 0 {
		return nil, fmt.Errorf("%d bytes are not a whole number of %s", len(data), format)
	}
	dst := make([]float32, len(data)/size)
	le := binary.LittleEndian
	for i := range dst {
		at := data[i*size:]
		switch format {
		case "F16":
			dst[i] = F32FromF16(le.Uint16(at))
		case "BF16":
			dst[i] = F32FromBF16(le.Uint16(at))
		case "F32":
			dst[i] = math.Float32frombits(le.Uint32(at))
		case "F64":
			dst[i] = float32(math.Float64frombits(le.Uint64(at)))
		default:
			dst[i] = eight[data[i]]
		}
	}
	return dst, nil
}

// Bytes is the way back: src, rounded to the format, as little-endian bytes.
func Bytes(format string, src []float32) ([]byte, error) {
	size, err := byteSize(format)
	if err != nil {
		return nil, err
	}
	data := make([]byte, 0, size*len(src))
	le := binary.LittleEndian
	for _, f := range src {
		switch format {
		case "F16":
			data = le.AppendUint16(data, F16FromF32(f))
		case "BF16":
			data = le.AppendUint16(data, BF16FromF32(f))
		case "F32":
			data = le.AppendUint32(data, math.Float32bits(f))
		case "F64":
			data = le.AppendUint64(data, math.Float64bits(float64(f)))
		}
	}
	return data, nil
}

func byteSize(format string) (int, error) {
	switch format {
	case "F16", "BF16":
		return 2, nil
	case "F32":
		return 4, nil
	case "F64":
		return 8, nil
	}
	return 0, fmt.Errorf("%q is not a floating-point format that weights come in (F16, BF16, F32, F64, F8)", format)
}
