// What attention in bf16 shares between the vector unit and the matrix unit.

// Rows of one head in a tensor x[…,stride]: n of d elements, then zeros.
struct rows {
	const uint16_t *x;
	long stride, n, d;
};

// part is columns [c,c+32) of row i.
INLINE __m512i part(const struct rows *r, long i, long c) {
	long left = i < r->n ? r->d - c : 0;
	__mmask32 in = left >= 32 ? ~0u : left > 0 ? (1u << left) - 1 : 0;
	return _mm512_maskz_loadu_epi16(in, r->x + i * r->stride + c);
}

struct sizes {
	long stride;       // between rows of the tensor
	long depth, width; // d padded for q·k and for v
	long keys, blocks; // keys of a block, blocks of all keys
	long rows;         // queries of a task
};
