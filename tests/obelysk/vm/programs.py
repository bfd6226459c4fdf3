"""Small programs of the tests."""

#: Uses every instruction and every function.
EVERYTHING = """
    read  r1
    loadi r2, 9
    lt    r3, r1, r2
    min   r4, r1, r2
    max   r5, r1, r2
    relu  r6, r1
    and   r7, r1, r2
    or    r8, r1, r2
    xor   r9, r1, r2
    div   r10, r1, r2
    eq    r11, r1, r2
    store r1, [r2]
    load  r12, [r2]
    store r2, [r2+1]
    neg   r0, r1
    call  f
    write r12
    mul   r13, r12, r12
    jnz   r13, e
    nop
e:  jz    r0, g
    nop
g:  sub   r14, r13, r0
    halt
f:  write r13
    ret
"""
EVERYTHING_INPUT = [5]

#: Where a stale register read would show.
OVERWRITE = """
    loadi r1, 7
    write r1
    halt
"""
