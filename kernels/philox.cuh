// Philox4x32-10 (Salmon et al. 2011): four random words of each counter, by a key and without a state. The NumPy twin
// is mpitrain/ops/philox.py.

struct Words {
    unsigned int word[4];
};

__device__ __forceinline__ Words philox(Words counter, unsigned int key0, unsigned int key1) {
    for (int turn = 0; turn < 10; ++turn) {
        const unsigned int low0 = 0xD2511F53u * counter.word[0], low1 = 0xCD9E8D57u * counter.word[2];
        counter = {{__umulhi(0xCD9E8D57u, counter.word[2]) ^ counter.word[1] ^ key0, low1,
                    __umulhi(0xD2511F53u, counter.word[0]) ^ counter.word[3] ^ key1, low0}};
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    return counter;
}
