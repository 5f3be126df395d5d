# default_architectures(variable nvcc): what a build is for that was not told.
#
# The machine code of the cards that nvidia-smi finds here, which nothing has to translate at run time, and PTX for
# sm_80, which the driver of every newer card translates when it first meets a kernel. Without a card: sm_80 in both
# forms. One architecture and PTX take 23 % longer to compile than sm_90 in both forms, sm_80 in both forms 8 % less;
# all architectures of a release take four times as long.
function(default_architectures variable nvcc)
  set(cards "")
  find_program(PYAPDRAW_NVIDIA_SMI nvidia-smi)
  if(PYAPDRAW_NVIDIA_SMI)
    execute_process(COMMAND ${PYAPDRAW_NVIDIA_SMI} --query-gpu=compute_cap --format=csv,noheader
      OUTPUT_VARIABLE said ERROR_QUIET RESULT_VARIABLE failed TIMEOUT 20)
    if(NOT failed)
      string(REGEX MATCHALL "[0-9]+\\.[0-9]" cards "${said}")
    endif()
  endif()
  execute_process(COMMAND ${nvcc} --list-gpu-code OUTPUT_VARIABLE known ERROR_QUIET RESULT_VARIABLE ignored)
  set(found "")
  foreach(card IN LISTS cards)
    string(REPLACE "." "" number ${card})
    # Older cards lack what the kernels need; cards that are newer than this nvcc run the PTX.
    if(number GREATER_EQUAL 80 AND known MATCHES "sm_${number}\n")
      list(APPEND found ${number}-real)
    endif()
  endforeach()
  if(NOT found)
    set(found 80-real)
  endif()
  list(REMOVE_DUPLICATES found)
  set(${variable} ${found} 80-virtual PARENT_SCOPE)
endfunction()
