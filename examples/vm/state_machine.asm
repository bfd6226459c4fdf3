; A state machine: reads bits, most significant first, until a 2, and writes 1 if the number is divisible by 3.
; The state is the remainder; the transition table lies in memory at 2 * state + bit.
.const END 2
    loadi r10, 1
    loadi r11, 2
    store r10, [0 + 1]      ; 0 -1-> 1; 0 -0-> 0 is there already
    store r11, [2 + 0]      ; 1 -0-> 2; 1 -1-> 0
    store r10, [4 + 0]      ; 2 -0-> 1
    store r11, [4 + 1]      ; 2 -1-> 2
    loadi r1, 0             ; the state
step:
    read  r2
    eq    r3, r2, r11
    jnz   r3, stop
    lt    r3, r2, r11
    jz    r3, no_bit
    add   r4, r1, r1
    add   r4, r4, r2
    load  r1, [r4]
    jmp   step
no_bit:
    div   r0, r0, r0        ; trap
stop:
    eq    r1, r1, r0
    write r1
    halt
