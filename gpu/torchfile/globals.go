package torchfile

import (
	"errors"
	"fmt"
	"strings"

	"latent/gpu/safetensors"
)

// GlobalError says that a file wants to run something that no weights need. It
// may be meant to do harm; nothing of it was run.
type GlobalError struct {
	Global string // module and name, as "os.system"
}

func (e *GlobalError) Error() string {
	return fmt.Sprintf("wants to run %s, which no model needs: it was not run; get the model elsewhere, as .safetensors", e.Global)
}

// storageTypes are torch's typed storages.
var storageTypes = map[string]string{
	"FloatStorage": safetensors.F32, "HalfStorage": safetensors.F16, "BFloat16Storage": safetensors.BF16,
	"DoubleStorage": safetensors.F64, "LongStorage": safetensors.I64, "IntStorage": safetensors.I32,
	"ShortStorage": safetensors.I16, "CharStorage": safetensors.I8, "ByteStorage": safetensors.U8,
	"BoolStorage": safetensors.Bool, "ComplexFloatStorage": safetensors.C64, "UntypedStorage": safetensors.U8,
}

// dtypes are torch's number formats.
var dtypes = map[string]string{
	"float32": safetensors.F32, "float16": safetensors.F16, "bfloat16": safetensors.BF16, "float64": safetensors.F64,
	"int64": safetensors.I64, "int32": safetensors.I32, "int16": safetensors.I16, "int8": safetensors.I8,
	"uint8": safetensors.U8, "uint16": safetensors.U16, "uint32": safetensors.U32, "uint64": safetensors.U64,
	"bool": safetensors.Bool, "complex64": safetensors.C64,
	"float8_e4m3fn": safetensors.F8E4M3, "float8_e5m2": safetensors.F8E5M2,
}

// sizes are the bytes of an element.
var sizes = map[string]int{
	safetensors.F32: 4, safetensors.F16: 2, safetensors.BF16: 2, safetensors.F64: 8,
	safetensors.I64: 8, safetensors.I32: 4, safetensors.I16: 2, safetensors.I8: 1,
	safetensors.U8: 1, safetensors.U16: 2, safetensors.U32: 4, safetensors.U64: 8,
	safetensors.Bool: 1, safetensors.C64: 8, safetensors.F8E4M3: 1, safetensors.F8E5M2: 1,
}

// inert are names that may stand in a file. What they describe is kept as it is
// written and never made, but for those that call knows.
var inert = map[string]bool{
	"collections.OrderedDict": true, "collections.defaultdict": true, "typing.Any": true,
	"torch._utils._rebuild_tensor": true, "torch._utils._rebuild_tensor_v2": true, "torch._utils._rebuild_tensor_v3": true,
	"torch._utils._rebuild_parameter": true, "torch._tensor._rebuild_from_type_v2": true,
	"torch.Size": true, "torch.device": true, "torch.Tensor": true, "torch.nn.parameter.Parameter": true,
	"torch.nn.modules.container.ParameterDict": true, "torch.storage.UntypedStorage": true,
	"numpy.dtype": true, "numpy.ndarray": true, "numpy.core.multiarray.scalar": true,
	"numpy.core.multiarray._reconstruct": true, "numpy._core.multiarray.scalar": true,
	"numpy._core.multiarray._reconstruct": true, "_codecs.encode": true,
}

// inertModules are those of training programs, whose settings stand beside the
// weights.
var inertModules = []string{"pytorch_lightning.", "lightning.", "lightning_fabric.", "omegaconf."}

var builtins = map[string]bool{
	"set": true, "frozenset": true, "dict": true, "list": true, "tuple": true, "int": true, "float": true,
	"str": true, "bool": true, "bytes": true, "bytearray": true, "complex": true, "slice": true, "object": true,
}

// publicModule are the modules under which people know what pickles name otherwise.
var publicModule = map[string]string{"posix": "os", "nt": "os", "__builtin__": "builtins"}

func (g global) allowed() bool {
	if g.module == "builtins" || g.module == "__builtin__" {
		return builtins[g.name]
	}
	if g.module == "torch" && (storageTypes[g.name] != "" || dtypes[g.name] != "") || inert[g.String()] {
		return true
	}
	for _, m := range inertModules {
		if strings.HasPrefix(g.module+".", m) && !strings.Contains(g.name, ".") {
			return true
		}
	}
	return false
}

// call is the value of f(args): tensors and dictionaries are made, all else is
// kept as it is written.
func (m *machine) call(f, args any) (any, error) {
	g, ok := f.(global)
	a, ok2 := args.(tuple)
	if !ok || !ok2 {
		if _, inner := f.(*object); inner {
			return &object{}, nil
		}
		return nil, errors.New("damaged pickle: it calls what is no function")
	}
	switch g.String() {
	case "collections.OrderedDict", "collections.defaultdict", "builtins.dict", "__builtin__.dict":
		d := newDict()
		if len(a) == 1 { // a list of pairs, as the first versions wrote it
			if items, ok := a[0].(*list); ok {
				// What is written once is copied once in an honest file.
				if m.copied += len(items.items); m.copied > len(m.data) {
					return nil, errors.New("damaged pickle: it copies a list without end")
				}
				for _, item := range items.items {
					switch kv := item.(type) {
					case tuple:
						if len(kv) == 2 {
							d.set(kv[0], kv[1])
						}
					case *list:
						if len(kv.items) == 2 {
							d.set(kv.items[0], kv.items[1])
						}
					}
				}
			}
		}
		return d, nil
	case "builtins.list", "__builtin__.list", "builtins.set", "__builtin__.set":
		if len(a) == 1 {
			if l, ok := a[0].(*list); ok {
				return l, nil
			}
		}
		return &list{}, nil
	case "torch.Size":
		if len(a) == 1 {
			return a[0], nil
		}
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3":
		return rebuild(g.name, a)
	case "torch._utils._rebuild_parameter":
		if len(a) > 0 {
			if t, ok := a[0].(*tensor); ok {
				return t, nil
			}
		}
		return nil, errors.New("damaged pickle: a parameter without tensor")
	case "torch._tensor._rebuild_from_type_v2": // function, class, its arguments, state
		if len(a) >= 3 && a[0] != f {
			return m.call(a[0], a[2])
		}
	}
	return &object{class: g}, nil
}
