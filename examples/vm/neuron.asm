; Reads n, n weights, n values and a bias; writes RELU of the weighted sum, and it clipped to 0..255.
; Negative numbers are words above (p - 1) / 2.
    read  r1
    loadi r10, 1
    loadi r2, 0
weights:
    eq    r3, r2, r1
    jnz   r3, values
    read  r4
    store r4, [r2]
    add   r2, r2, r10
    jmp   weights
values:
    loadi r2, 0
    loadi r5, 0
sum:
    eq    r3, r2, r1
    jnz   r3, bias
    read  r4
    load  r6, [r2]
    mul   r4, r4, r6
    add   r5, r5, r4
    add   r2, r2, r10
    jmp   sum
bias:
    read  r4
    add   r5, r5, r4
    relu  r5, r5
    write r5
    loadi r6, 255
    min   r5, r5, r6
    write r5
    halt
